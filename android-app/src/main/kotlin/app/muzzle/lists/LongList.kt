package app.muzzle.lists

import java.io.IOException

/** Bytes of the longest list that is fetched; the longest in use have a third of it. */
const val LONGEST_LIST = 64L shl 20

/** A list with more. */
class LongList : IOException("longer than $LONGEST_LIST bytes")
