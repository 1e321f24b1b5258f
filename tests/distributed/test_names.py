"""Names around exchanges that programs mention, and the errors that they catch."""

import pytest
import torch.distributed as theirs

import kuai
from kuai import distributed


def test_errors_have_the_bases_that_pytorch_gives_them():
    for name in ("DistError", "DistBackendError", "DistNetworkError", "DistStoreError"):
        bases = [[c.__name__ for c in getattr(m, name).__mro__] for m in (theirs, distributed)]
        assert bases[0] == bases[1]


def test_exchanges_from_one_to_another():
    distributed.init_process_group("gloo")
    try:
        exchange = distributed.P2POp(distributed.isend, kuai.ones(1), 0)
        assert exchange.peer == 0
        for call in (
            lambda: distributed.batch_isend_irecv([exchange]),
            lambda: distributed.send_object_list([1], dst=0),
            lambda: distributed.recv_object_list([None], src=0),
        ):
            with pytest.raises(ValueError, match="one process"):
                call()
    finally:
        distributed.destroy_process_group()
