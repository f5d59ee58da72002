"""The paths of the API, one module each. What they need hangs on `app.state.service`."""
