/* Steps: whether the one that followed last time follows again. */

#include <math.h>

#include "objects.h"

static int
extend(PyObject *list, PyObject *more)
{
    return PyList_SetSlice(list, PyList_GET_SIZE(list), PyList_GET_SIZE(list), more);
}

/* Whether a part of a key is that of a Python number: 1, 0, or -1 with an error. */
static int
is_number(PyObject *part, PyObject *number)
{
    PyObject *kind = (PyObject *)Py_TYPE(number);
    if (Py_TYPE(part) == known.number) {
        return attribute_is(part, s_kind, kind);
    }
    if (!PyTuple_CheckExact(part) || PyTuple_GET_SIZE(part) != 2 ||
        PyTuple_GET_ITEM(part, 0) != kind) {
        return 0;
    }
    if (PyFloat_CheckExact(number) && PyFloat_AS_DOUBLE(number) == 0) {
        /* the sign counts: see `Record._number` */
        PyObject *text = PyTuple_GET_ITEM(part, 1);
        return PyUnicode_Check(text) && PyUnicode_CompareWithASCIIString(
            text, copysign(1, PyFloat_AS_DOUBLE(number)) < 0 ? "-0.0" : "0.0") == 0;
    }
    return PyObject_RichCompareBool(PyTuple_GET_ITEM(part, 1), number, Py_EQ);
}

/* Whether a part of a key is the number of a result: 1, 0, or -1 with an error. */
int
is_result(PyObject *part, PyObject *placeholder)
{
    PyObject *index = PyObject_GetAttr(placeholder, s_index);
    if (index == NULL) {
        return -1;
    }
    int same = PyLong_CheckExact(part) ? PyObject_RichCompareBool(part, index, Py_EQ) : 0;
    Py_DECREF(index);
    return same;
}

/* Whether a placeholder has its array, on the record's device, and the type that a part of a key
   is: 1, 0, or -1 with an error. Such a new input needs no further look. */
static int
is_of_type(PyObject *record, PyObject *part, PyObject *placeholder)
{
    int is_so = attribute_is(placeholder, s_record, Py_None);
    if (is_so > 0) {
        is_so = attribute_is(placeholder, s_type, part);
    }
    if (is_so <= 0) {
        return is_so;
    }
    PyObject *device = PyObject_GetAttr(record, s_device);
    if (device == NULL) {
        return -1;
    }
    is_so = device == Py_None ? 0 : attribute_is(part, s_device, device);
    Py_DECREF(device);
    if (is_so > 0) {
        int is_nowhere = attribute_is(part, s_sharding, Py_None);
        is_so = is_nowhere < 0 ? -1 : !is_nowhere;
    }
    return is_so;
}

/* Add a new input: 1, or -1 with an error. */
static int
add_input(PyObject *inputs, PyObject *numbers, PyObject *id, PyObject *array)
{
    PyObject *place = PyLong_FromSsize_t(-PyList_GET_SIZE(inputs) - 1);
    int failed = place == NULL || PyList_Append(inputs, array) < 0 ||
                 PyDict_SetItem(numbers, id, place) < 0;
    Py_XDECREF(place);
    return failed ? -1 : 1;
}

/* Whether a part of a key is that of an input: 1, 0, or -1 with an error. Adds it if it is new. */
static int
is_input(PyObject *record, PyObject *inputs, PyObject *numbers, PyObject *part, PyObject *array)
{
    PyObject *id = PyLong_FromVoidPtr(array);
    if (id == NULL) {
        return -1;
    }
    int same = -1;
    PyObject *number = PyDict_GetItemWithError(numbers, id);
    if (number != NULL) {
        same = PyObject_RichCompareBool(part, number, Py_EQ);
    }
    else if (!PyErr_Occurred()) {
        same = IS_PLACEHOLDER(array) ? is_of_type(record, part, array) : 0;
        if (same > 0) {
            same = add_input(inputs, numbers, id, array);
        }
        else if (same == 0) {
            PyObject *found = PyObject_CallMethodObjArgs(
                record, s__new_input, array, (PyObject *)Py_TYPE(array), NULL);
            same = found == NULL ? -1 : found == part;
            Py_XDECREF(found);
        }
    }
    Py_DECREF(id);
    return same;
}

/* Whether a part of a key is that of an argument: 1, 0, or -1 with an error. */
static int
is_part(PyObject *record, PyObject *inputs, PyObject *numbers, PyObject *part, PyObject *array)
{
    if (PyLong_CheckExact(array) || PyFloat_CheckExact(array) || PyBool_Check(array)) {
        return is_number(part, array);
    }
    if (IS_PLACEHOLDER(array)) {
        int is_own = attribute_is(array, s_record, record);
        if (is_own) {
            return is_own < 0 ? -1 : is_result(part, array);
        }
    }
    return is_input(record, inputs, numbers, part, array);
}

/* Write down that the step of a node follows, with the placeholders it has made. */
static PyObject *
take_step(PyObject *record, PyObject *child)
{
    PyObject *made = NULL, *fresh = NULL, *result = NULL, *structure = NULL;
    PyObject *types = get_of_class(child, s_types, &PyList_Type);
    PyObject *steps = get_of_class(record, s_steps, &PyList_Type);
    PyObject *references = get_of_class(record, s_references, &PyList_Type);
    Py_ssize_t count = get_size(record, s_count), length = get_size(record, s_length);
    if (types == NULL || steps == NULL || references == NULL || PyErr_Occurred()) {
        goto done;
    }
    structure = PyObject_GetAttr(child, s_structure);
    if (structure == NULL || new_placeholders(record, types, count, &made, &fresh) < 0) {
        goto done;
    }
    if (PyList_Append(steps, child) < 0 || extend(references, fresh) < 0 ||
        PyObject_SetAttr(record, s_node, child) < 0 ||
        set_size(record, s_length, length + 1) < 0 ||
        set_size(record, s_count, count + PyList_GET_SIZE(types)) < 0) {
        goto done;
    }
    result = PyTuple_Pack(2, structure, made);
done:
    Py_XDECREF(types);
    Py_XDECREF(steps);
    Py_XDECREF(references);
    Py_XDECREF(structure);
    Py_XDECREF(made);
    Py_XDECREF(fresh);
    return result;
}

/* Whether the key of the step that followed last time is that of a call: 1, 0, or -1. */
static int
is_same_step(PyObject *record, PyObject *key, PyObject *call, PyObject *arrays)
{
    Py_ssize_t count = PyList_GET_SIZE(arrays);
    if (!PyTuple_CheckExact(key) || PyTuple_GET_SIZE(key) != count + 1 ||
        PyTuple_GET_ITEM(key, 0) != call) {
        return 0;
    }
    PyObject *inputs = get_of_class(record, s_inputs, &PyList_Type);
    PyObject *numbers = get_of_class(record, s_numbers, &PyDict_Type);
    int same = inputs == NULL || numbers == NULL ? -1 : 1;
    for (Py_ssize_t i = 0; same > 0 && i < count && i < PyList_GET_SIZE(arrays); i++) {
        PyObject *array = PyList_GET_ITEM(arrays, i);
        Py_INCREF(array);
        same = is_part(record, inputs, numbers, PyTuple_GET_ITEM(key, i + 1), array);
        Py_DECREF(array);
    }
    Py_XDECREF(inputs);
    Py_XDECREF(numbers);
    return same;
}

/* Add the numbers among the arguments to the inputs: 1, 0 where they cannot be, or -1. */
static int
takes_numbers(PyObject *record, PyObject *child, PyObject *call, PyObject *arrays)
{
    PyObject *positions = get_of_class(child, s_numbers, &PyTuple_Type);
    if (positions == NULL) {
        return -1;
    }
    int taken = 1;
    if (PyTuple_GET_SIZE(positions)) {
        PyObject *varying = PyObject_GetAttr(call, s_varying);
        PyObject *answer = varying == NULL ? NULL : PyObject_CallMethodObjArgs(
            record, s__take_numbers, child, arrays, varying, NULL);
        taken = answer == NULL ? -1 : answer == Py_True;
        Py_XDECREF(varying);
        Py_XDECREF(answer);
    }
    Py_DECREF(positions);
    return taken;
}

/* As `follow`: a new reference to None or a tuple, or NULL with an error. */
PyObject *
followed(PyObject *record, PyObject *call, PyObject *arrays)
{
    PyObject *node = PyObject_GetAttr(record, s_node);
    PyObject *last = node == NULL ? NULL : get_of_class(node, s_last, &PyTuple_Type);
    Py_XDECREF(node);
    if (last == NULL) {
        return NULL;
    }
    PyObject *child = PyTuple_GET_ITEM(last, 1), *result = NULL;
    int same = is_same_step(record, PyTuple_GET_ITEM(last, 0), call, arrays);
    if (same > 0) {
        same = takes_numbers(record, child, call, arrays);
    }
    if (same > 0) {
        result = take_step(record, child);
    }
    else if (same == 0) {
        result = Py_NewRef(Py_None);
    }
    Py_DECREF(last);
    return result;
}

PyObject *
follow(PyObject *module, PyObject *const *arguments, Py_ssize_t given)
{
    if (given != 3 || known.placeholder == NULL || !PyList_CheckExact(arguments[2])) {
        PyErr_SetString(PyExc_TypeError, "expected a record, a call and a list");
        return NULL;
    }
    return followed(arguments[0], arguments[1], arguments[2]);
}
