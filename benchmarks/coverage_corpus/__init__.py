"""Networks on which coverage is measured: real ones, and architectures built small."""
