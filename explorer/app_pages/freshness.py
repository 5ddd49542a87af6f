"""Freshness."""
import streamlit as st
st.title("Freshness")
