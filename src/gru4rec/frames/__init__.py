"""What is asked of the frames that users hand in, by `preparation` and `data` alike."""
