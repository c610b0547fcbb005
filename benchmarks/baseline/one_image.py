"""The emptiest rerun that shows something: a select box and one image."""

import io

import streamlit as st
from PIL import Image

st.set_page_config(page_title="One image", layout="wide")
choice = st.selectbox("Layer", [str(number) for number in range(40)])
buffer = io.BytesIO()
Image.linear_gradient("L").rotate(3 * int(choice)).resize((512, 512)).save(buffer, "PNG", compress_level=1)
st.image(buffer.getvalue(), output_format="PNG")
