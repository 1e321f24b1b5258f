/* The nodes of a backward pass that is known: see `passes.py`. */

#include "objects.h"

/* Whether nobody watches a node: 1, 0, or -1. Only what has been watched is looked at in Python. */
static int
is_unwatched(PyObject *node)
{
    PyObject *places[] = {s_hooks, s_pre_hooks, s_output_hooks, s_retained, s_block};
    int is_none = 1;
    for (size_t i = 0; is_none > 0 && i < 5; i++) {
        is_none = attribute_is(node, places[i], Py_None);
    }
    if (is_none > 0 && Py_TYPE(node) == known.leaf) {
        is_none = attribute_is(node, s_post_accumulate, Py_None);
    }
    if (is_none) {
        return is_none;
    }
    PyObject *answer = PyObject_CallOneArg(known.is_plain, node);
    is_none = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    return is_none;
}

/* Whether edges lead to the places where others of the pass did: 1, 0, or -1. Finds those nodes. */
static int
lead_alike(PyObject *edges, PyObject *expected, PyObject *found)
{
    Py_ssize_t count = PyTuple_GET_SIZE(edges);
    if (count != PyList_GET_SIZE(expected)) {
        return 0;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *edge = PyTuple_GET_ITEM(edges, i), *wanted = PyList_GET_ITEM(expected, i);
        if (!PyTuple_CheckExact(edge) || PyTuple_GET_SIZE(edge) != 2) {
            return 0;
        }
        Py_ssize_t place = PyLong_AsSsize_t(PyTuple_GET_ITEM(wanted, 0));
        if (place < 0 || place >= PyList_GET_SIZE(found)) {
            return PyErr_Occurred() ? -1 : 0;
        }
        PyObject *node = PyTuple_GET_ITEM(edge, 0);
        if (PyList_GET_ITEM(found, place) == Py_None) {
            PyList_SetItem(found, place, Py_NewRef(node));
        }
        if (PyList_GET_ITEM(found, place) != node) {
            return 0;
        }
        int same = PyObject_RichCompareBool(
            PyTuple_GET_ITEM(edge, 1), PyTuple_GET_ITEM(wanted, 1), Py_EQ);
        if (same <= 0) {
            return same;
        }
    }
    return 1;
}

/* Whether saved values have the numbers in a record that others had: 1, 0, or -1. */
static int
have_numbers(PyObject *leaves, PyObject *wanted, PyObject *record, PyObject *numbers)
{
    Py_ssize_t count = PyList_GET_SIZE(leaves);
    int same = count == PyList_GET_SIZE(wanted);
    for (Py_ssize_t i = 0; same > 0 && i < count; i++) {
        PyObject *leaf = PyList_GET_ITEM(leaves, i), *number = PyList_GET_ITEM(wanted, i);
        int is_own = IS_PLACEHOLDER(leaf) ? attribute_is(leaf, s_record, record) : 0;
        if (is_own) {
            same = is_own < 0 ? -1 : is_result(number, leaf);
            continue;
        }
        PyObject *id = PyLong_FromVoidPtr(leaf);
        PyObject *its = id == NULL ? NULL : PyDict_GetItemWithError(numbers, id);
        same = its == NULL ? (PyErr_Occurred() ? -1 : 0)
                           : PyObject_RichCompareBool(its, number, Py_EQ);
        Py_XDECREF(id);
    }
    return same;
}

/* Whether a node is an operation's that is like one of the pass: 1, 0, or -1. */
static int
is_like(PyObject *node, PyObject *expected, PyObject *found, PyObject *record, PyObject *numbers,
        Py_ssize_t *last)
{
    int same = attribute_is(node, s_is_untouched, Py_True);
    same = same > 0 ? is_unwatched(node) : same;
    if (same <= 0) {
        return same;
    }
    Py_ssize_t sequence = get_size(node, s_sequence);
    if (sequence >= *last || PyErr_Occurred()) {
        return PyErr_Occurred() ? -1 : 0;
    }
    *last = sequence;
    PyObject *residuals = PyObject_GetAttr(node, s_residuals), *edges = NULL, *leaves = NULL;
    if (residuals == NULL) {
        return -1;
    }
    same = residuals == Py_None
               ? 0 : attribute_is(residuals, s_layout, PyTuple_GET_ITEM(expected, 0));
    if (same > 0) {
        edges = get_of_class(node, s_edges, &PyTuple_Type);
        same = edges == NULL ? -1 : lead_alike(edges, PyTuple_GET_ITEM(expected, 1), found);
    }
    if (same > 0) {
        leaves = get_of_class(residuals, s_leaves, &PyList_Type);
        same = leaves == NULL
                   ? -1 : have_numbers(leaves, PyTuple_GET_ITEM(expected, 2), record, numbers);
    }
    Py_DECREF(residuals);
    Py_XDECREF(edges);
    Py_XDECREF(leaves);
    return same;
}

/* Whether the nodes from a place on are leaves, each another, without a gradient: 1, 0, or -1. */
static int
are_fresh_leaves(PyObject *found, Py_ssize_t place)
{
    PyObject *seen = PySet_New(NULL);
    int same = seen == NULL ? -1 : 1;
    for (; same > 0 && place < PyList_GET_SIZE(found); place++) {
        PyObject *node = PyList_GET_ITEM(found, place);
        if (Py_TYPE(node) != known.leaf) {
            same = 0;
            break;
        }
        PyObject *variable = PyObject_GetAttr(node, s_variable);
        same = variable == NULL ? -1 : attribute_is(variable, s__grad, Py_None);
        Py_XDECREF(variable);
        same = same > 0 ? is_unwatched(node) : same;
        if (same > 0) {
            int is_known = PySet_Contains(seen, node);
            same = is_known < 0 || PySet_Add(seen, node) < 0 ? -1 : !is_known;
        }
    }
    Py_XDECREF(seen);
    return same;
}

PyObject *
known_nodes(PyObject *module, PyObject *const *arguments, Py_ssize_t given)
{
    if (given != 4 || known.leaf == NULL || !PyList_CheckExact(arguments[2])) {
        PyErr_SetString(PyExc_TypeError, "expected a record, a node, a list and a number");
        return NULL;
    }
    PyObject *record = arguments[0], *expected = arguments[2];
    Py_ssize_t total = PyLong_AsSsize_t(arguments[3]), inner = PyList_GET_SIZE(expected);
    if (total < inner || total < 1) {
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    }
    PyObject *numbers = get_of_class(record, s_numbers, &PyDict_Type);
    PyObject *found = numbers == NULL ? NULL : PyList_New(total);
    if (found == NULL) {
        Py_XDECREF(numbers);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < total; i++) {
        PyList_SET_ITEM(found, i, Py_NewRef(i ? Py_None : arguments[1]));
    }
    int same = 1;
    Py_ssize_t last = PY_SSIZE_T_MAX;
    for (Py_ssize_t i = 0; same > 0 && i < inner; i++) {
        same = is_like(PyList_GET_ITEM(found, i), PyList_GET_ITEM(expected, i), found, record,
                       numbers, &last);
    }
    same = same > 0 ? are_fresh_leaves(found, inner) : same;
    Py_DECREF(numbers);
    if (same <= 0) {
        Py_DECREF(found);
        return same < 0 ? NULL : Py_NewRef(Py_None);
    }
    return found;
}
