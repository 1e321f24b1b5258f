"""`kuai.utils.model_zoo`: the older name of parts of `kuai.hub`."""

from kuai.hub import _get_torch_home, load_state_dict_from_url as load_url, tqdm

__all__ = ["_get_torch_home", "load_url", "tqdm"]
