"""What each AWS operation does: one folder for each service, one file for each resource."""
