/* Stands for Plotly where a test is not about charts: to read and run it costs a page a second. */
window.Plotly = { react: async (node) => node, newPlot: async (node) => node, purge() {} };
