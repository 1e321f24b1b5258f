"""What the model functions say when they are asked for trained weights."""

__all__ = ["refuse_weights"]


def refuse_weights(weights: object) -> None:
    """Raise unless `weights` is None: no trained weights come with this package.

    Example:
        >>> refuse_weights(None)
    """
    if weights is not None:
        raise ValueError(
            f"no trained weights come with Kuai, and it downloads none (weights={weights!r}); the "
            "keys of state_dict() are torchvision's, so load a file: "
            "net.load_state_dict(kuai.load(path))"
        )
