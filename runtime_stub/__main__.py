"""`python -m runtime_stub`."""

from runtime_stub.cli import main

if __name__ == "__main__":
    main()
