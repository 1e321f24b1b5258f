/* Placeholders: made for a step, found when a record is run, and the arrays they stand for. */

#include "objects.h"

/* An object of a class, without `__init__`. */
PyObject *
new_object(PyTypeObject *class)
{
    PyObject *nothing = PyTuple_New(0); /* there is one for all */
    PyObject *made = nothing == NULL ? NULL : PyBaseObject_Type.tp_new(class, nothing, NULL);
    Py_XDECREF(nothing);
    return made;
}

PyObject *
new_placeholder(PyObject *record, Py_ssize_t index, PyObject *type)
{
    PyObject *made = new_object(known.placeholder);
    if (made != NULL && (PyObject_SetAttr(made, s_record, record) < 0 ||
                         set_size(made, s_index, index) < 0 ||
                         PyObject_SetAttr(made, s_type, type) < 0)) {
        Py_CLEAR(made);
    }
    return made;
}

/* The placeholders of a row of types, with numbers from `first` on; and weak references to them. */
int
new_placeholders(PyObject *record, PyObject *types, Py_ssize_t first, PyObject **made,
                 PyObject **references)
{
    Py_ssize_t count = PyList_GET_SIZE(types);
    *made = PyList_New(count);
    *references = PyList_New(count);
    if (*made == NULL || *references == NULL) {
        goto failed;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *one = new_placeholder(record, first + i, PyList_GET_ITEM(types, i));
        if (one == NULL) {
            goto failed;
        }
        PyList_SET_ITEM(*made, i, one);
        PyObject *reference = PyWeakref_NewRef(one, NULL);
        if (reference == NULL) {
            goto failed;
        }
        PyList_SET_ITEM(*references, i, reference);
    }
    return 0;
failed:
    Py_CLEAR(*made);
    Py_CLEAR(*references);
    return -1;
}

PyObject *
placeholders(PyObject *module, PyObject *const *arguments, Py_ssize_t given)
{
    if (given != 2 || known.placeholder == NULL || !PyList_CheckExact(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "expected a record and a list");
        return NULL;
    }
    PyObject *record = arguments[0], *pairs = arguments[1];
    PyObject *references = get_of_class(record, s_references, &PyList_Type);
    PyObject *made = references == NULL ? NULL : PyList_New(0);
    for (Py_ssize_t i = 0; made != NULL && i < PyList_GET_SIZE(pairs); i++) {
        PyObject *pair = PyList_GET_ITEM(pairs, i), *one = NULL, *reference = NULL;
        if (PyTuple_CheckExact(pair) && PyTuple_GET_SIZE(pair) == 2) {
            Py_ssize_t index = PyLong_AsSsize_t(PyTuple_GET_ITEM(pair, 0));
            one = PyErr_Occurred() ? NULL
                                   : new_placeholder(record, index, PyTuple_GET_ITEM(pair, 1));
        }
        else {
            PyErr_SetString(PyExc_TypeError, "expected pairs of a number and a type");
        }
        reference = one == NULL ? NULL : PyWeakref_NewRef(one, NULL);
        if (reference == NULL || PyList_Append(made, one) < 0 ||
            PyList_Append(references, reference) < 0) {
            Py_CLEAR(made);
        }
        Py_XDECREF(one);
        Py_XDECREF(reference);
    }
    Py_XDECREF(references);
    return made;
}

/* What a weak reference leads to, if that is still there: 1, 0, or -1 with an error. */
static int
referent(PyObject *reference, PyObject **found)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyWeakref_GetRef(reference, found);
#else
    *found = PyWeakref_GetObject(reference); /* borrowed */
    if (*found == NULL || *found == Py_None) {
        int failed = *found == NULL;
        *found = NULL;
        return failed ? -1 : 0;
    }
    Py_INCREF(*found);
    return 1;
#endif
}

PyObject *
still_held(PyObject *module, PyObject *references)
{
    if (!PyList_CheckExact(references)) {
        PyErr_SetString(PyExc_TypeError, "expected a list");
        return NULL;
    }
    PyObject *found = PyList_New(0);
    for (Py_ssize_t i = 0; found != NULL && i < PyList_GET_SIZE(references); i++) {
        PyObject *thing;
        int is_there = referent(PyList_GET_ITEM(references, i), &thing);
        if (is_there < 0 || (is_there && PyList_Append(found, thing) < 0)) {
            Py_CLEAR(found);
        }
        if (is_there > 0) {
            Py_DECREF(thing);
        }
    }
    return found;
}

PyObject *
own_arrays(PyObject *module, PyObject *const *arguments, Py_ssize_t given)
{
    if (given != 2 || !PyList_CheckExact(arguments[0]) || !PyTuple_CheckExact(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "expected a list and a tuple");
        return NULL;
    }
    PyObject *inputs = arguments[0], *positions = arguments[1];
    PyObject *found = PyList_New(0);
    for (Py_ssize_t i = 0; found != NULL && i < PyTuple_GET_SIZE(positions); i++) {
        Py_ssize_t place = PyLong_AsSsize_t(PyTuple_GET_ITEM(positions, i));
        if (place < 0 || place >= PyList_GET_SIZE(inputs)) {
            if (!PyErr_Occurred()) {
                PyErr_SetString(PyExc_IndexError, "no such input");
            }
            Py_CLEAR(found);
            break;
        }
        PyObject *input = PyList_GET_ITEM(inputs, place), *array = Py_NewRef(Py_None);
        /* the list has one reference to the placeholder, and that one to its array */
        if (IS_PLACEHOLDER(input) && Py_REFCNT(input) == 1) {
            int exposed = attribute_is(input, s_exposed, Py_False);
            PyObject *its = exposed < 0 ? NULL : PyObject_GetAttr(input, s_array);
            if (its == NULL) {
                Py_DECREF(array);
                Py_CLEAR(found);
                break;
            }
            if (exposed && Py_REFCNT(its) == 2) { /* its, and ours */
                Py_SETREF(array, its);
            }
            else {
                Py_DECREF(its);
            }
        }
        if (PyList_Append(found, array) < 0) {
            Py_CLEAR(found);
        }
        Py_DECREF(array);
    }
    return found;
}
