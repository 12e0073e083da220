"""``python -m gateway`` is the same as ``cascade``."""

from gateway.cli.main import main

if __name__ == "__main__":
    main(prog_name="cascade")
