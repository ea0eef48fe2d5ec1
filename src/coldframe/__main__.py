"""Lets `python -m coldframe` do what `coldframe` does."""

from coldframe.cli.main import main

if __name__ == "__main__":
    main()
