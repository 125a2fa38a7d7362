"""kubeletsim: a kubelet you can run anywhere for the sake of its traces.

The packages, from the top: `cli` (commands) over `traces` and `agent` (the composition root of one node), then
`server`, then `pods`, `pleg` and `upkeep`, then `clients`, `config`, `model`, `base` and the generated `pb`.
Imports point down only; `docs/architecture.md` has the drawing and import-linter the proof.
"""
