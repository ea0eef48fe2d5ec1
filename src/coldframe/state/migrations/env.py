"""What Alembic runs to carry out steps, and to draft a new one."""

from alembic import context

from coldframe.state.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a column by making the table anew
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
