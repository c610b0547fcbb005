"""The only Plotly code: a result goes in, a figure comes out, nothing is computed."""
