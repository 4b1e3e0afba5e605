"""`herder rate`: cards are imported once, a price map shows what changes, an export is what an import reads, and a wrong file names its place."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.api.conftest import Server
from tests.cli.conftest import Result

PRICES = {
    "sample_spec": {"input_cost_per_token": 0.0},
    "old-1": {"input_cost_per_token": 1e-06, "output_cost_per_token": 5e-06},
    "new-2": {"input_cost_per_token": 3e-06, "input_cost_per_token_above_200k_tokens": 6e-06},
}
Herder = Callable[..., Result]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    made = Server(tmp_path_factory.mktemp("data")).start()
    yield made
    made.stop()


@pytest.fixture
def rate(server: Server, herder: Herder, monkeypatch: pytest.MonkeyPatch) -> Herder:
    monkeypatch.setenv("HERDER_URL", server.running.url)
    monkeypatch.setenv("HERDER_TOKEN", server.running.token)
    return lambda *words: herder("rate", *words)


def test_a_built_in_card_is_imported_once_and_listed(rate: Herder) -> None:
    first = rate("import", "--card", "internal", "--from", "2026-11-01")
    assert first.code == 0, first.err
    assert "+ internal/cpu@2026-11-01: $0.05 per core-hour" in first.out
    assert "+ internal/network.egress@2026-11-01: $0.09, above 10,000 $0.085" in first.out
    assert "21 new, 0 changed, 0 as before." in first.out
    assert (
        "0 new, 0 changed, 21 as before." in rate("import", "--card", "internal", "--from", "2026-11-01").out
    )
    table = rate("list", "--card", "internal", "--resource", "network.egress").out.splitlines()
    assert [line.split()[:2] for line in table] == [["CARD", "RESOURCE"], ["internal", "network.egress"]]
    assert "$0.09 +3 tiers" in table[1]
    assert max(map(len, table)) <= 80
    assert "In force" in rate("show", "internal/cpu@2026-11-01").out
    unknown = rate("import", "--card", "none")
    assert (unknown.code, "There is no built-in card" in unknown.err) == (2, True)


def test_a_price_map_shows_what_changes_and_changes_nothing_twice(rate: Herder, tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    words = ("import", str(file), "--format", "litellm", "--card", "models")
    file.write_text(json.dumps(PRICES))
    dry = rate(*words, "--from", "2026-11-01", "--dry-run")
    assert "4 new, 0 changed, 0 as before. (dry run, nothing was changed)" in dry.out
    assert rate("list", "--card", "models").out == ""
    assert "4 new" in rate(*words, "--from", "2026-11-01").out
    del PRICES["old-1"]
    file.write_text(json.dumps({**PRICES, "new-2": {**PRICES["new-2"], "input_cost_per_token": 3.5e-06}}))
    changed = rate(*words, "--from", "2026-11-15")
    assert "~ models/tokens.input/new-2@2026-11-15: $3 → $3.5 per 1,000,000 tokens" in changed.out
    assert "0 new, 1 changed, 1 as before." in changed.out
    assert "- models/tokens.output/old-1@2026-11-01: not in this list" in changed.err
    external = rate(*words[:-1], "resold", "--markup", "20", "-o", "json")
    prices = [each["rate"]["tiers"][0]["price"] for each in json.loads(external.out)["changes"]]
    assert sorted(prices) == ["4.2", "7.2"]


def test_what_is_exported_is_imported_as_no_change(rate: Herder, tmp_path: Path) -> None:
    rate("add", "--card", "own", "--resource", "cpu", "--price", "0.05", "--from", "2026-11-01", "--new-card")
    rate("add", "--card", "own", "--resource", "cpu", "--price", "$0.06", "--from", "2026-11-09")
    tiers = ("--price", "0.09", "--above", "10000=0.085", "--from", "2026-11-01")
    rate("add", "--card", "own", "--resource", "network.egress", *tiers)
    file = tmp_path / "own.csv"
    file.write_text(rate("export", "--card", "own").out)
    assert file.read_text().splitlines() == [
        "card,resource,product,from,until,above,price,per",
        "own,cpu,,2026-11-01,2026-11-09,0,0.05,1",
        "own,cpu,,2026-11-09,,0,0.06,1",
        "own,network.egress,,2026-11-01,,0,0.09,1",
        "own,network.egress,,2026-11-01,,10000,0.085,1",
    ]
    copy = tmp_path / "copy.csv"
    copy.write_text(file.read_text().replace("own,", "copy,"))
    assert "2 new, 1 changed, 0 as before." in rate("import", str(copy)).out
    assert rate("export", "--card", "copy").out == copy.read_text()


def test_a_mistyped_card_is_refused_and_a_wrong_rate_is_replaced(rate: Herder) -> None:
    refused = rate("add", "--card", "extrenal", "--resource", "cpu", "--price", "1")
    assert (refused.code, "--card" in refused.err, "Did you mean 'external'" in refused.err) == (
        2,
        True,
        True,
    )
    assert rate("add", "--price", "1").code == 2
    added = rate(
        "add",
        "--card",
        "typo",
        "--resource",
        "storage.cold",
        "--price",
        "40",
        "--from",
        "2026-11-01",
        "--new-card",
    )
    assert "Card typo is new." in added.out
    wrong = "typo/storage.cold@2026-11-01"
    done = rate("add", "--replaces", wrong, "--price", "0.004")
    assert f"~ {wrong}.2: $40 → $0.004 per GB-month" in done.out
    assert f"Replaced by:  {wrong}.2" in rate("show", wrong).out
    assert rate("export", "--card", "typo").out.splitlines()[1:] == [
        "typo,storage.cold,,2026-11-01,,0,0.004,1"
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("r.csv", "card,resource,price\nc,cpu,cheap\n", "r.csv:2:7: 'cheap' is not a price"),
        ("r.csv", "card,resource\nc,cpu\n", "r.csv:1:1: The header line lacks price"),
        ("r.csv", "card,resource,price,colour\n", "unknown column 'colour'"),
        ("r.csv", "card,resource,price,above\nc,cpu,1,2.5\n", "'2.5' is not a whole number of units"),
        ("r.json", '{"m": {"input_cost_per_token": -1e-6}}', "m: input_cost_per_token is -0.000001"),
        ("r.json", '{"m": {"input_cost_per_token": NaN}}', "NaN is not a number"),
        ("r.json", '{"m": {}, "m": {}}', "The name 'm' occurs twice"),
        ("r.json", '{"m": {"max_tokens": 5}}', "No model of the file has a price of tokens"),
        ("r.json", "[1]", "not a mapping of models"),
        ("r.json", "{", "not valid JSON"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_names_the_place_and_adds_nothing(
    rate: Herder, tmp_path: Path, name: str, text: str, said: str
) -> None:
    file = tmp_path / name
    file.write_text(text)
    form = ("--format", "litellm") if name.endswith("json") else ()
    found = rate("import", str(file), *form)
    assert (found.code, said in found.err) == (2, True), found.err
    assert "Nothing was added" in found.err
