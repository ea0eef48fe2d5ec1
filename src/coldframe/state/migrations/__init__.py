"""How the schema came to be as it is: one step forward for each change, never back."""
