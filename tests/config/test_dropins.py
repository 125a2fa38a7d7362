"""Golden pairs: a main file and a directory of drop-ins, and what becomes of them.

`expected.yaml` has the keys of the effective configuration that a case is about; null stands for a key not printed.
"""

from pathlib import Path

import pytest
import yaml

from kubeletsim.config.load import load
from kubeletsim.config.schema.encode import encode

CASES = sorted((Path(__file__).parent / "dropins").iterdir())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_drop_ins_merge_as_recorded(case: Path) -> None:
    main = case / "kubelet.yaml"
    loaded = load(main if main.exists() else None, config_dir=case / "conf.d")
    expected = yaml.safe_load((case / "expected.yaml").read_text())
    effective = encode(loaded.config)
    assert {key: effective.get(key) for key in expected} == expected
    assert not loaded.warnings
