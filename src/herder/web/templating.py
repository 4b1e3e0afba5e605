"""The templates and their filters. Everything is escaped; an undefined name is an error. Used by `live.py` and `routes.py`."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from herder.web import amounts, formatting
from herder.web.navigation import PLACES
from herder.web.page_data import Picture
from herder.web.static_files import static_url

#: Parts of the page that are replaced one by one, in the order in which they stand.
SECTIONS = ("faults", "numbers", "pools", "clusters", "workers", "jobs", "decisions")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (
        formatting.ago,
        formatting.absolute,
        formatting.lasted,
        formatting.duration,
        formatting.usd,
        formatting.usd_of_pico,
        formatting.yaml,
        formatting.cores,
        formatting.gib,
        formatting.count,
        formatting.words,
        formatting.shell_words,
        formatting.sparkline,
        amounts.amount,
        amounts.address_of,
    )
    environment.filters.update({each.__name__: each for each in filters})
    environment.globals.update(
        static_url=static_url,
        PLACES=PLACES,
        percent=formatting.percent,
        change=formatting.change,
        ended_jobs=formatting.ended_jobs,
        change_of_rate=formatting.change_of_rate,
        share=amounts.share,
        amounts=amounts.quantities,
    )
    return environment


_templates = _environment()


def render(template: str, **values: object) -> str:
    return _templates.get_template(template).render(**values)


def render_section(name: str, picture: Picture) -> str:
    return render(f"sections/{name}.html", picture=picture, now_ms=picture.now_ms)
