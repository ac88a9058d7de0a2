"""What is written to files and read again: models, checkpoints of a training, ONNX."""
