"""CNN Explorer: ``streamlit run app.py``."""

from pages.shared import blocks, navigation, selection, sidebar, warm_up

page = navigation.route()
selection.read_link(page.url_path)
navigation.heading(page)
with blocks.kindly():
    sidebar.draw()
with blocks.kindly():
    page.run()
selection.write_link()
warm_up.start()
