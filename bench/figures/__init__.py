"""Writes docs/figures.md from bench/results/, so that no figure is typed by hand: `make figures`.

page.py     what the page has: a section for each file of results, and the commands that make those not there
tables.py   tables, numbers and aims in Markdown
speed.py    the engine, its peers, the local cloud under load, long histories, starts
rest.py     prices, the chaos run, the local cloud of one person, the answers
"""
