"""The commands of `kubeletsim`: `main` gathers them, `run`, `demo`, `config` and `traces` are one module each.

Modules here stay cheap to import, since every one is read for `--help`: what a command needs is imported inside it.
"""
