"""`kuai.distributed.fsdp`: parameters divided between processes, which is refused at use."""

from kuai.standin.refusing import refused, refused_class

__all__ = [
    "BackwardPrefetch",
    "CPUOffload",
    "FullStateDictConfig",
    "FullyShardedDataParallel",
    "MixedPrecision",
    "MixedPrecisionPolicy",
    "ShardingStrategy",
    "StateDictType",
    "fully_shard",
]

_WHY = (
    "Kuai's processes do not exchange parameters",
    "Use the module itself, or nn.parallel.DistributedDataParallel in one process",
)


def _made(name):
    return refused_class(f"torch.distributed.fsdp.{name}", *_WHY)


FullyShardedDataParallel = _made("FullyShardedDataParallel")
MixedPrecision, MixedPrecisionPolicy = _made("MixedPrecision"), _made("MixedPrecisionPolicy")
OffloadPolicy = _made("OffloadPolicy")
CPUOffload, CPUOffloadPolicy = _made("CPUOffload"), _made("CPUOffloadPolicy")
FullStateDictConfig = _made("FullStateDictConfig")
ShardedStateDictConfig = _made("ShardedStateDictConfig")
FullOptimStateDictConfig = _made("FullOptimStateDictConfig")
ShardedOptimStateDictConfig = _made("ShardedOptimStateDictConfig")
FSDPModule = _made("FSDPModule")
fully_shard = refused("torch.distributed.fsdp.fully_shard", *_WHY)


class ShardingStrategy:
    """Names of ways to divide parameters."""

    FULL_SHARD, SHARD_GRAD_OP, NO_SHARD, HYBRID_SHARD = 1, 2, 3, 4


class BackwardPrefetch:
    """Names of times at which parameters are fetched."""

    BACKWARD_PRE, BACKWARD_POST = 1, 2


class StateDictType:
    """Names of kinds of `state_dict`."""

    FULL_STATE_DICT, LOCAL_STATE_DICT, SHARDED_STATE_DICT = 1, 2, 3
