"""The Kedro project around `gru4rec`."""
