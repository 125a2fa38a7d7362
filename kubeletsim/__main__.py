"""`python -m kubeletsim` is `kubeletsim`."""

from kubeletsim.cli.main import main

if __name__ == "__main__":
    main()
