"""A template engine: templates become trees of nodes, which render pages."""

import random
import re

FILTERS = {'upper': str.upper, 'title': str.title, 'money': lambda number: f'{number:.2f}'}
ENTITIES = {'<': '&lt;', '>': '&gt;', '&': '&amp;', '"': '&quot;'}
TOKEN = re.compile(r'({{.*?}}|{%.*?%})', re.S)


def escape(value):
    return re.sub(r'[<>&"]', lambda found: ENTITIES[found.group()], str(value))


def lookup(scopes, path):
    first, *rest = path.split('.')
    value = next((scope[first] for scope in reversed(scopes) if first in scope), '')
    for key in rest:
        value = value.get(key, '')
    return value


class Text:
    def __init__(self, text):
        self.text = text

    def render(self, scopes, out):
        out.append(self.text)


class Value:
    def __init__(self, body):
        path, *filters = [part.strip() for part in body.split('|')]
        self.path, self.filters = path, filters

    def render(self, scopes, out):
        value = lookup(scopes, self.path)
        for name in self.filters:
            value = FILTERS[name](value)
        out.append(escape(value))


class For:
    def __init__(self, name, path, nodes):
        self.name, self.path, self.nodes = name, path, nodes

    def render(self, scopes, out):
        for item in lookup(scopes, self.path):
            inner = scopes + [{self.name: item}]
            for node in self.nodes:
                node.render(inner, out)


class If:
    def __init__(self, path, nodes):
        self.path, self.nodes = path, nodes

    def render(self, scopes, out):
        if lookup(scopes, self.path):
            for node in self.nodes:
                node.render(scopes, out)


def compile_nodes(tokens):
    nodes = []
    for token in tokens:
        if token.startswith('{{'):
            nodes.append(Value(token[2:-2]))
        elif token.startswith('{%'):
            words = token[2:-2].split()
            if words[0] == 'end':
                return nodes
            inner = compile_nodes(tokens)
            is_loop = words[0] == 'for'
            nodes.append(For(words[1], words[3], inner) if is_loop else If(words[1], inner))
        else:
            nodes.append(Text(token))
    return nodes


SOURCE = '''
<html><head><title>{{ title | title }}</title></head><body>
<h1>{{ title | upper }}</h1>{% if user.name %}<p>Welcome, {{ user.name }}!</p>{% end %}
{% for section in sections %}<h2>{{ section.heading | title }}</h2>
<table>{% for row in section.rows %}<tr><td>{{ row.id }}</td><td>{{ row.label }}</td>
<td>{{ row.price | money }}</td><td>{% for tag in row.tags %}<i>{{ tag }}</i> {% end %}</td></tr>
{% end %}</table>{% end %}<p>{{ footer.note }}</p></body></html>'''

rng = random.Random(99)


def page_scope(number):
    sections = []
    for i in range(rng.randint(3, 5)):
        rows = [
            {
                'id': number * 1000 + j,
                'label': f'item "{rng.randrange(100000)}" & more',
                'price': rng.randrange(100000) / 100,
                'tags': [f'tag<{rng.randrange(500)}>' for _ in range(rng.randint(0, 3))],
            }
            for j in range(rng.randint(5, 30))
        ]
        sections.append({'heading': f'section number {i}', 'rows': rows})
    return {
        'title': f'page {number}',
        'user': {'name': f'reader {rng.randrange(1000)}'},
        'sections': sections,
        'footer': {'note': 'made by a template'},
    }


# A server keeps the pages rendered last; templates are compiled again now and then.
cache = {}
for number in range(160):
    if number % 30 == 0:
        nodes = compile_nodes(iter(TOKEN.split(SOURCE)))
    out = []
    for node in nodes:
        node.render([page_scope(number)], out)
    cache[number % 50] = ''.join(out)
assert all(len(text) > 1000 for text in cache.values())
