"""`python -m condattest` is the same as `condattest`."""

from condattest.cli.main import main

if __name__ == "__main__":
    main()
