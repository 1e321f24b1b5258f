"""`python -m kuai …` is the command `kuai …`."""

import sys

if __name__ == "__main__":
    from kuai_command import main

    sys.exit(main())
