"""What pipelines share to tell of data and results: figures, tables, sentences, provenance."""
