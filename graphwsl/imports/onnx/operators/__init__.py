"""The operators of the ONNX standard, grouped as its documentation groups them."""
