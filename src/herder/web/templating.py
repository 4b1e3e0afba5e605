"""The templates and their filters. Everything is escaped; an undefined name is an error. Used by `live.py` and `routes.py`."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from herder.web import figures
from herder.web.picture import Picture
from herder.web.static_files import static_url

#: Parts of the page that are replaced one by one, in the order in which they stand.
SECTIONS = ("faults", "numbers", "pools", "workers", "jobs", "decisions")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (
        figures.ago,
        figures.absolute,
        figures.usd,
        figures.cores,
        figures.gib,
        figures.count,
        figures.words,
        figures.sparkline,
    )
    environment.filters.update({each.__name__: each for each in filters})
    environment.globals.update(
        static_url=static_url,
        percent=figures.percent,
        change=figures.change,
        change_of_rate=figures.change_of_rate,
    )
    return environment


_templates = _environment()


def render(template: str, **values: object) -> str:
    return _templates.get_template(template).render(**values)


def render_section(name: str, picture: Picture) -> str:
    return render(f"sections/{name}.html", picture=picture, now_ms=picture.now_ms)
