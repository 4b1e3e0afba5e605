"""Each proof that the page on the life of workers or the threat model names is a test that exists. That its tables equal the code is checked by `docs/generate.py`."""

import ast
import re

import pytest

from tests.docs.page import DOCS

ROOT = DOCS.parent
PAGE = (DOCS / "concepts" / "lifecycle.md").read_text()
THREATS = (DOCS / "concepts" / "threat-model.md").read_text()
PROOFS = sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)?)`", PAGE + THREATS)))


@pytest.mark.parametrize("proof", PROOFS)
def test_a_proof_exists(proof: str) -> None:
    path, _, name = proof.partition("::")
    tree = ast.parse((ROOT / path).read_text())
    functions = {
        each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert not name or name in functions


def test_each_fault_has_a_promise_and_a_proof() -> None:
    table = PAGE.split("## Fault model")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 20
    for row in rows:
        fault, promise, proof = row.strip("| ").split(" | ")
        assert fault
        assert promise.endswith(".")
        assert "`tests/" in proof, fault


def test_each_attack_has_a_defence_and_a_proof() -> None:
    table = THREATS.split("which test shows it\n")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 20
    for row in rows:
        attack, defence, proof = row.strip("| ").split(" | ")
        assert attack
        assert defence
        assert "`tests/" in proof, attack
