"""A page as a browser takes it, and a text that would do something there."""

from html.parser import HTMLParser

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&$<b>"


class Page(HTMLParser):
    """What a browser would make of a page: its elements, and the texts within."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts, self.texts, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        else:
            self.texts.append(data)
