"""Drives the model of the 82599 family's virtual function (driver/tests/model) with stock drivers and with ours."""
