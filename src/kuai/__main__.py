"""`python -m kuai …` is the command `kuai …`."""

import sys

from kuai_command import main

sys.exit(main())
