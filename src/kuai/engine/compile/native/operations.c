/* Operations on tensors whose step is known: as `autograd.running.run`. */

#include "objects.h"

/* What an operation is applied to, as `autograd.running.run` collects it. */
typedef struct {
    PyObject *arrays, *edges, *positions; /* lists; the last two of the arguments with gradients */
} Arguments;

static void
clear_arguments(Arguments *arguments)
{
    Py_CLEAR(arguments->arrays);
    Py_CLEAR(arguments->edges);
    Py_CLEAR(arguments->positions);
}

/* Add a tensor's edge, if it has one: 1, 0 where that takes more than a look, or -1. */
static int
add_edge(PyObject *tensor, Py_ssize_t position, Arguments *arguments)
{
    int answer = attribute_is(tensor, s__base, Py_None);
    if (answer <= 0) {
        return answer;
    }
    PyObject *node = PyObject_GetAttr(tensor, s__node), *edge = NULL, *place = NULL;
    if (node == NULL) {
        return -1;
    }
    if (node != Py_None) {
        PyObject *output = PyObject_GetAttr(tensor, s__output);
        edge = output == NULL ? NULL : PyTuple_Pack(2, node, output);
        Py_XDECREF(output);
    }
    else {
        int is_constant = attribute_is(tensor, s__requires_grad, Py_False);
        if (is_constant) {
            Py_DECREF(node);
            return is_constant;
        }
        edge = PyObject_CallOneArg(known.edge_of, tensor);
    }
    Py_DECREF(node);
    answer = edge == NULL ? -1 : 1;
    if (edge != NULL && edge != Py_None) {
        place = PyLong_FromSsize_t(position);
        if (place == NULL || PyList_Append(arguments->edges, edge) < 0 ||
            PyList_Append(arguments->positions, place) < 0) {
            answer = -1;
        }
    }
    Py_XDECREF(place);
    Py_XDECREF(edge);
    return answer;
}

/* Collect a tensor's array and edge: 1, 0 where that takes more than a look, or -1. */
static int
add_tensor(PyObject *tensor, Py_ssize_t position, int with_edges, Arguments *arguments)
{
    int answer = attribute_is(tensor, s__steps, Py_None);
    if (answer <= 0) {
        return answer;
    }
    PyObject *storage = PyObject_GetAttr(tensor, s__storage);
    if (storage == NULL) {
        return -1;
    }
    answer = Py_TYPE(storage) == known.storage; /* others hold memory, or belong to a mode */
    if (answer) {
        PyObject *held = PyObject_GetAttr(storage, s_held);
        answer = held == NULL || PyList_Append(arguments->arrays, held) < 0 ? -1 : 1;
        Py_XDECREF(held);
    }
    Py_DECREF(storage);
    return answer > 0 && with_edges ? add_edge(tensor, position, arguments) : answer;
}

/* Collect what values are: 1, 0 where that takes more than a look, or -1 with an error. */
static int
collect(PyObject *values, int with_edges, Arguments *arguments)
{
    arguments->arrays = PyList_New(0);
    arguments->edges = PyList_New(0);
    arguments->positions = PyList_New(0);
    int answer = 1;
    if (!arguments->arrays || !arguments->edges || !arguments->positions) {
        answer = -1;
    }
    for (Py_ssize_t i = 0; answer > 0 && i < PySequence_Fast_GET_SIZE(values); i++) {
        PyObject *value = Py_NewRef(PySequence_Fast_GET_ITEM(values, i));
        if (PyObject_TypeCheck(value, known.tensor)) {
            answer = add_tensor(value, i, with_edges, arguments);
        }
        else if (PyList_Append(arguments->arrays, value) < 0) {
            answer = -1;
        }
        Py_DECREF(value);
    }
    return answer;
}

/* The operation's entry for such arguments, NULL without an error if there is none. */
static PyObject *
find_entry(PyObject *operation, PyObject *key, PyObject *positions)
{
    int is_compiled = attribute_is(operation, s_compiled, Py_True);
    PyObject *entries =
        is_compiled > 0 ? get_of_class(operation, s_entries, &PyDict_Type) : NULL;
    PyObject *places = entries == NULL ? NULL : PyList_AsTuple(positions);
    PyObject *whole = places == NULL ? NULL : PyTuple_Pack(2, key, places);
    PyObject *entry = whole == NULL ? NULL : PyDict_GetItemWithError(entries, whole);
    Py_XINCREF(entry);
    Py_XDECREF(entries);
    Py_XDECREF(places);
    Py_XDECREF(whole);
    return entry;
}

/* Whether a recorder takes steps now: 1, 0, or -1 with an error. */
static int
is_recording(PyObject *recorder, PyObject *record)
{
    int answer = attribute_is(recorder, s_ended, Py_None);
    PyObject *pause = answer > 0 ? PyObject_GetAttr(recorder, s_pause) : NULL;
    if (pause == NULL) {
        return answer > 0 ? -1 : answer;
    }
    answer = pause == Py_None ? 1 : attribute_is(pause, s_is_on, Py_False);
    Py_DECREF(pause);
    PyObject *length = answer > 0 ? PyObject_GetAttr(record, s_length) : NULL;
    PyObject *longest = answer > 0 ? PyObject_GetAttr(recorder, s_longest) : NULL;
    if (length != NULL && longest != NULL) {
        answer = PyObject_RichCompareBool(length, longest, Py_LT);
    }
    Py_XDECREF(length);
    Py_XDECREF(longest);
    return PyErr_Occurred() ? -1 : answer;
}

/* `followed` in a recorder's record; None also where the record does not take the step. */
static PyObject *
followed_in(PyObject *recorder, PyObject *record, PyObject *call, PyObject *arrays)
{
    int answer = is_recording(recorder, record);
    if (answer <= 0) {
        return answer < 0 ? NULL : Py_NewRef(Py_None);
    }
    PyObject *inputs = get_of_class(record, s_inputs, &PyList_Type);
    if (inputs == NULL) {
        return NULL;
    }
    Py_ssize_t known = PyList_GET_SIZE(inputs);
    PyObject *step = followed(record, call, arrays);
    if ((step == NULL || step == Py_None) && PyList_GET_SIZE(inputs) > known) {
        PyObject *kind, *error, *trace, *number = NULL, *done = NULL;
        PyErr_Fetch(&kind, &error, &trace);
        number = PyLong_FromSsize_t(known);
        if (number != NULL) {
            done = PyObject_CallMethodObjArgs(record, s__forget_inputs, number, NULL);
        }
        Py_XDECREF(number);
        if (done == NULL) { /* what comes from outside comes anywhere */
            Py_CLEAR(step);
            Py_XDECREF(kind);
            Py_XDECREF(error);
            Py_XDECREF(trace);
        }
        else {
            Py_DECREF(done);
            PyErr_Restore(kind, error, trace);
        }
    }
    if (step == NULL && PyErr_ExceptionMatches(PyExc_Exception)) {
        PyErr_Clear(); /* the general way meets it again, and knows what to do */
        step = Py_NewRef(Py_None);
    }
    Py_DECREF(inputs);
    return step;
}

/* The same, while no other thread records or runs anything. */
static PyObject *
locked_step(PyObject *recorder, PyObject *call, PyObject *arrays)
{
    PyObject *locked = PyObject_CallOneArg(known.acquire, Py_False), *step = NULL;
    if (locked == NULL || locked == Py_False) {
        return locked == NULL ? NULL : (Py_DECREF(locked), Py_NewRef(Py_None));
    }
    Py_DECREF(locked);
    PyObject *record = PyObject_GetAttr(recorder, s_current);
    if (record != NULL) {
        step = record == Py_None ? Py_NewRef(Py_None)
                                 : followed_in(recorder, record, call, arrays);
        Py_DECREF(record);
    }
    PyObject *kind, *error, *trace;
    PyErr_Fetch(&kind, &error, &trace);
    PyObject *released = PyObject_CallNoArgs(known.release);
    if (released == NULL) {
        Py_CLEAR(step);
        return NULL;
    }
    Py_DECREF(released);
    PyErr_Restore(kind, error, trace);
    return step;
}

/* What a node saves: what the step has returned for it, and inputs, as the layout says. */
static PyObject *
saved_values(PyObject *layout, PyObject *returned, PyObject *arrays)
{
    PyObject *sources = get_of_class(layout, s_sources, &PyTuple_Type);
    PyObject *found = sources == NULL ? NULL : PyList_New(0);
    Py_ssize_t next = 0;
    for (Py_ssize_t i = 0; found != NULL && i < PyTuple_GET_SIZE(sources); i++) {
        Py_ssize_t place = PyLong_AsSsize_t(PyTuple_GET_ITEM(sources, i));
        PyObject *row = place < 0 ? returned : arrays;
        place = place < 0 ? next++ : place;
        if (PyErr_Occurred() || place >= PyList_GET_SIZE(row) ||
            PyList_Append(found, PyList_GET_ITEM(row, place)) < 0) {
            if (!PyErr_Occurred()) {
                PyErr_SetString(PyExc_IndexError, "no such residual");
            }
            Py_CLEAR(found);
        }
    }
    Py_XDECREF(sources);
    return found;
}

static PyObject *
new_residuals(PyObject *layout, PyObject *leaves)
{
    PyObject *made = new_object(known.residuals);
    if (made != NULL && (PyObject_SetAttr(made, s_leaves, leaves) < 0 ||
                         PyObject_SetAttr(made, s_layout, layout) < 0)) {
        Py_CLEAR(made);
    }
    return made;
}

/* A node of a class, as `OpNode.__init__` makes it. */
static PyObject *
filled_node(PyTypeObject *class, PyObject *name, PyObject *entry, PyObject *residuals,
            PyObject *arrays, PyObject *edges, Py_ssize_t count)
{
    PyObject *node = new_object(class), *sequence = NULL, *row = NULL;
    if (node != NULL) {
        sequence = PyIter_Next(known.counter);
        row = PyList_AsTuple(edges);
    }
    if (node != NULL &&
        (sequence == NULL || row == NULL || PyObject_SetAttr(node, s__name, name) < 0 ||
         PyObject_SetAttr(node, s_edges, row) < 0 ||
         PyObject_SetAttr(node, s_sequence, sequence) < 0 ||
         PyObject_SetAttr(node, s_entry, entry) < 0 ||
         PyObject_SetAttr(node, s_residuals, residuals) < 0 ||
         PyObject_SetAttr(node, s_arrays, arrays) < 0 || set_size(node, s_count, count) < 0)) {
        Py_CLEAR(node);
    }
    Py_XDECREF(sequence);
    Py_XDECREF(row);
    return node;
}

/* The node of an operation that has run; `make_node` makes it where that takes more. */
static PyObject *
node_of(PyObject *operation, PyObject *entry, PyObject *layout, PyObject *returned,
        Arguments *arguments)
{
    PyObject *class = PyObject_GetAttr(operation, s_node_class), *node = NULL;
    PyObject *name = class == NULL ? NULL : PyObject_GetAttr(operation, s_grad_name);
    if (name != NULL && class == Py_None && !PyUnicode_Check(name)) {
        PyObject *row = PyList_AsTuple(arguments->arrays);
        Py_SETREF(name, row == NULL ? NULL : PyObject_CallObject(name, row));
        Py_XDECREF(row);
        Py_SETREF(class, name == NULL ? NULL : PyObject_CallOneArg(known.class_of_node, name));
    }
    if (class == NULL || name == NULL) {
        Py_XDECREF(class);
        Py_XDECREF(name);
        return NULL;
    }
    if (!PyType_Check(class) || Py_TYPE(layout) != known.layout) {
        PyObject *residuals = new_residuals(layout, returned);
        if (residuals != NULL) {
            node = PyObject_CallFunctionObjArgs(known.make_node, operation, entry, residuals,
                                                arguments->arrays, arguments->edges, NULL);
        }
        Py_DECREF(class);
        Py_DECREF(name);
        Py_XDECREF(residuals);
        return node;
    }
    PyObject *leaves = saved_values(layout, returned, arguments->arrays);
    PyObject *residuals = leaves == NULL ? NULL : new_residuals(layout, leaves);
    PyObject *outputs =
        residuals == NULL ? NULL : get_of_class(layout, s_outputs, &PyTuple_Type);
    if (outputs != NULL) {
        PyObject *arrays = PyList_GET_SIZE(leaves) ? arguments->arrays : Py_None;
        node = filled_node((PyTypeObject *)class, name, entry, residuals, arrays,
                           arguments->edges, PyTuple_GET_SIZE(outputs));
    }
    Py_DECREF(class);
    Py_XDECREF(leaves);
    Py_XDECREF(residuals);
    Py_XDECREF(outputs);
    Py_DECREF(name);
    return node;
}

/* A tensor of its own storage, with a node behind it (or NULL). */
static PyObject *
new_tensor(PyObject *placeholder, PyObject *node, Py_ssize_t number)
{
    PyObject *storage = new_object(known.storage), *tensor = NULL;
    if (storage != NULL && PyObject_SetAttr(storage, s_held, placeholder) == 0 &&
        set_size(storage, s_version, 0) == 0 && PyObject_SetAttr(storage, s_home, Py_None) == 0) {
        tensor = new_object(known.tensor);
    }
    if (tensor != NULL && PyObject_SetAttr(tensor, s__storage, storage) < 0) {
        Py_CLEAR(tensor);
    }
    Py_XDECREF(storage);
    if (tensor != NULL && node != NULL) {
        PyObject *type = PyObject_GetAttr(placeholder, s_type);
        int is_inexact = type == NULL ? -1 : attribute_is(type, s_is_inexact, Py_True);
        Py_XDECREF(type);
        if (is_inexact < 0 ||
            (is_inexact && (PyObject_SetAttr(tensor, s__node, node) < 0 ||
                            set_size(tensor, s__output, number) < 0))) {
            Py_CLEAR(tensor);
        }
    }
    return tensor;
}

/* The tensors of a step's first results: one, or a tuple of them. */
static PyObject *
new_tensors(PyObject *made, Py_ssize_t count, int is_single, PyObject *node)
{
    if (is_single) {
        return new_tensor(PyList_GET_ITEM(made, 0), node, 0);
    }
    PyObject *row = PyTuple_New(count);
    for (Py_ssize_t i = 0; row != NULL && i < count; i++) {
        PyObject *tensor = new_tensor(PyList_GET_ITEM(made, i), node, i);
        if (tensor == NULL) {
            Py_CLEAR(row);
            break;
        }
        PyTuple_SET_ITEM(row, i, tensor);
    }
    return row;
}

/* The results of an operation without gradients, or with them: `structure` is of its step. */
static PyObject *
results_of(PyObject *recorder, PyObject *operation, PyObject *entry, Arguments *arguments,
           PyObject *structure, PyObject *made)
{
    if (!PyList_GET_SIZE(arguments->edges)) {
        return new_tensors(made, PyList_GET_SIZE(made), structure == Py_True, NULL);
    }
    if (!PyTuple_CheckExact(structure) || PyTuple_GET_SIZE(structure) != 2) {
        PyErr_SetString(PyExc_TypeError, "expected a number of results and a layout");
        return NULL;
    }
    Py_ssize_t count = PyLong_AsSsize_t(PyTuple_GET_ITEM(structure, 0));
    PyObject *layout = PyTuple_GET_ITEM(structure, 1), *results = NULL;
    int is_single = PyErr_Occurred() ? -1 : attribute_is(layout, s_single, Py_True);
    PyObject *leaves =
        is_single < 0 ? NULL : PyList_GetSlice(made, count, PyList_GET_SIZE(made));
    PyObject *node =
        leaves == NULL ? NULL : node_of(operation, entry, layout, leaves, arguments);
    if (node != NULL && PyObject_SetAttr(node, s_recorder, recorder) == 0) {
        results = new_tensors(made, count, is_single, node);
    }
    Py_XDECREF(leaves);
    Py_XDECREF(node);
    return results;
}

PyObject *
run_again(PyObject *module, PyObject *const *arguments, Py_ssize_t given)
{
    if (given != 5 || known.tensor == NULL ||
        !(PyList_CheckExact(arguments[3]) || PyTuple_CheckExact(arguments[3]))) {
        PyErr_SetString(
            PyExc_TypeError, "expected a recorder, an operation, a key, a row and a bool");
        return NULL;
    }
    PyObject *recorder = arguments[0], *operation = arguments[1], *result = NULL;
    Arguments found;
    int answer = collect(arguments[3], arguments[4] == Py_True, &found);
    PyObject *entry = answer > 0 ? find_entry(operation, arguments[2], found.positions) : NULL;
    if (entry == NULL) {
        clear_arguments(&found);
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    }
    PyObject *call = PyObject_GetAttr(
        entry, PyList_GET_SIZE(found.edges) ? s_forward_call : s_plain_call);
    PyObject *step = call == NULL ? NULL : locked_step(recorder, call, found.arrays);
    if (step == Py_None) {
        result = Py_NewRef(Py_None);
    }
    else if (step != NULL) {
        result = results_of(recorder, operation, entry, &found, PyTuple_GET_ITEM(step, 0),
                            PyTuple_GET_ITEM(step, 1));
    }
    clear_arguments(&found);
    Py_DECREF(entry);
    Py_XDECREF(call);
    Py_XDECREF(step);
    return result;
}
