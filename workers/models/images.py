"""Image shapes: what a convolutional network asks of its input."""


def require_image(input_shape: tuple[int, ...], model: str, smallest: int) -> None:
    """One-line ValueError unless the shape is (channels, h, w) with sides of at least `smallest`."""
    if len(input_shape) != 3 or min(input_shape[1:]) < smallest:
        raise ValueError(
            f"input shape {input_shape} is not valid: "
            f"{model} takes images (channels, h, w) of at least {smallest} x {smallest}"
        )
