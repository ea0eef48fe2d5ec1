"""A request enters here and its answer leaves here."""
