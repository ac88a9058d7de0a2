"""The HTTP server, on top of the recommender: `gru4rec serve`. Needs the extra `serve`."""
