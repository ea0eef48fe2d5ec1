"""Drafts the next step from the difference between the last one and the tables as the code has them now.

For developers: `python -m coldframe.state.migrations.draft "Remember who stopped a job"`, then read what it wrote,
say in its docstring why, and set HEAD in migrate.py.
"""

import sys
import tempfile
from pathlib import Path

from alembic import command

from coldframe.state.database import Database
from coldframe.state.migrations.migrate import alembic_settings


def main() -> None:
    """Carry out all steps on an empty database, compare, and write the next step's file."""
    steps = Path(__file__).parent / "versions"
    number = f"{len(list(steps.glob('step_*.py'))) + 1:04}"
    with tempfile.TemporaryDirectory() as directory:
        database = Database(f"sqlite:///{directory}/draft.sqlite3")
        with database.engine.connect() as connection, connection.begin():
            command.upgrade(alembic_settings(connection), "head")
        with database.engine.connect() as connection, connection.begin():
            settings = alembic_settings(connection)
            settings.set_main_option("file_template", "step_%%(rev)s_%%(slug)s")
            command.revision(settings, message=" ".join(sys.argv[1:]), autogenerate=True, rev_id=number)
        database.close()


if __name__ == "__main__":
    main()
