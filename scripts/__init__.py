"""What is run by hand, from the project's folder: `python -m scripts.train_lenet --help`."""
