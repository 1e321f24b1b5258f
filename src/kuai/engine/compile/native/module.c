/* The module `_recording`: the loops of `recording.py`, in C. */

#include "objects.h"

#define DEFINE(name) PyObject *s_##name;
NAMES(DEFINE)

Known known;

static PyObject *
know(PyObject *module, PyObject *const *arguments, Py_ssize_t given)
{
    if (given != 13) {
        PyErr_SetString(PyExc_TypeError, "expected thirteen things");
        return NULL;
    }
    PyTypeObject **classes[] = {&known.placeholder, &known.number, &known.tensor, &known.storage,
                                &known.leaf, &known.residuals, &known.layout};
    PyObject **others[] = {&known.edge_of, &known.class_of_node, &known.make_node,
                           &known.is_plain, &known.counter};
    for (Py_ssize_t i = 0; i < 7; i++) {
        if (!PyType_Check(arguments[i])) {
            PyErr_SetString(PyExc_TypeError, "expected seven classes first");
            return NULL;
        }
        Py_XSETREF(*classes[i], (PyTypeObject *)Py_NewRef(arguments[i]));
    }
    for (Py_ssize_t i = 0; i < 5; i++) {
        Py_XSETREF(*others[i], Py_NewRef(arguments[7 + i]));
    }
    Py_XSETREF(known.acquire, PyObject_GetAttr(arguments[12], s_acquire));
    Py_XSETREF(known.release, PyObject_GetAttr(arguments[12], s_release));
    if (known.acquire == NULL || known.release == NULL) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"know", (PyCFunction)(void (*)(void))know, METH_FASTCALL,
     "Say which classes there are, what makes edges and nodes, and which lock is taken."},
    {"follow", (PyCFunction)(void (*)(void))follow, METH_FASTCALL,
     "Write a call down if it is the step that followed last time."},
    {"run_again", (PyCFunction)(void (*)(void))run_again, METH_FASTCALL,
     "Run an operation on tensors if its step is the one that followed last time."},
    {"known_nodes", (PyCFunction)(void (*)(void))known_nodes, METH_FASTCALL,
     "The nodes of a graph, if a backward pass through it is as the one that is expected."},
    {"placeholders", (PyCFunction)(void (*)(void))placeholders, METH_FASTCALL,
     "Make placeholders in a record, of pairs of a number and a type."},
    {"still_held", (PyCFunction)still_held, METH_O,
     "What weak references lead to, where that is still there."},
    {"own_arrays", (PyCFunction)(void (*)(void))own_arrays, METH_FASTCALL,
     "The arrays of inputs that nobody else can use, None in the place of others."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_recording", .m_methods = functions,
};

PyMODINIT_FUNC
PyInit__recording(void)
{
#define INTERN(name)                                                                               \
    if ((s_##name = PyUnicode_InternFromString(#name)) == NULL) {                                  \
        return NULL;                                                                               \
    }
    NAMES(INTERN)
    return PyModule_Create(&definition);
}
