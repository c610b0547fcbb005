"""CNN Explorer: ``streamlit run app.py``."""

from pages.shared import navigation, selection, warm_up

page = navigation.route()
selection.read_link(page.url_path)
navigation.heading(page)
selection.sidebar()
page.run()
selection.write_link()
warm_up.start()
