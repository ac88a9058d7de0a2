"""`python -m gru4rec.serve MODEL` is `gru4rec serve MODEL`."""

import sys

from gru4rec.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
