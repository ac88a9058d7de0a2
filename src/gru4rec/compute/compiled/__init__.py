"""The loops compiled for a CPU, the threads they run on, and the memory they like."""
