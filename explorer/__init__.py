"""See inside image networks: PyTorch in, frozen results and figures out.

Importing this package imports neither torch nor Streamlit; its modules are imported where they are used.
"""
