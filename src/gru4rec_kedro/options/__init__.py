"""What `parameters.yml` and `globals.yml` may set: typed sections, which know nothing of runs."""
